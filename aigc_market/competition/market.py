from aigc_market.market import Competition
OF_PROVIDER = ("cost", "max_price", "capacity")
PARAMETERS = ("M", "K", "cost", "max_price", "satisfaction", "min_steps", "max_steps", "capacity", "ssim", "access_cost", "temperature", "outside")
