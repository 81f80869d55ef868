"""Where tasks run: local processes, batch systems, gateways; the package that is sent there."""
