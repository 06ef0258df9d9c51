"""Training of the bundled diffusion model."""
