"""`merflow predict`: class probabilities of new clips by a trained model, from features that are made as its run recorded them."""
