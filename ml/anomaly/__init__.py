"""The anomaly methods, one file for each, in folders by idea."""
