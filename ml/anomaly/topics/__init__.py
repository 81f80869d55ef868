"""Topic models: events as mixtures of a few kinds of jets or splittings, learnt from their co-occurrence."""
