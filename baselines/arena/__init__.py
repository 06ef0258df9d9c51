"""What all methods share: the protocol, the registry, the rollout, measures and seeds."""
