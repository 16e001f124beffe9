"""What the host does with models: runs, measures and judges them, by the device's own interpreter."""
