"""From exchanges to campaigns. Read ``pipeline.py`` first; the model is the list in ``signals/model.py``."""
