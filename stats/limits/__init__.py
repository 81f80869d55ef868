"""Upper limits: CLs, profile likelihood, and with retrained selections."""
