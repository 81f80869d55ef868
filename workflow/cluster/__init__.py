"""Where tasks run: local processes, batch systems, gateways; what is sent there, and patience."""
