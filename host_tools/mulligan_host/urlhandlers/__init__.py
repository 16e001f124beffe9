"""What pyserial opens for the URL of a port, where its own does less well: found by it once `mulligan_host.ports` is imported."""
