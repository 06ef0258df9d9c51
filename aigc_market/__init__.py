"""x"""
__version__ = "0.1.0"
from aigc_market.equilibrium import Equilibrium, Gap, regret, solve
from aigc_market.game import best_response
from aigc_market.market import Market
from aigc_market.ssim import PAPER_SSIM
