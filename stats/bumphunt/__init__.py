"""BumpHunter in one and two masses, and pyBumpHunter."""
