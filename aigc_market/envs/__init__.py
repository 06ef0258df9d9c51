"""The environments, by library: PettingZoo's AEC and parallel, Gymnasium's single and vector."""
