"""Pre-trained models and word vectors as folders: downloaded, copied or made once, so that no later step needs a network.

A model is ``config.json``, ``*.safetensors`` and tokenizer or preprocessor files, word vectors are one file. A pickle
(``pytorch_model.bin``) is neither downloaded nor copied.
"""
