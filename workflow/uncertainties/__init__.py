"""What uncertainties do to the result of a search: nuisances, impacts, scans, with figures."""
