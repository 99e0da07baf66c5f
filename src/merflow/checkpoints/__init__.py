"""Pre-trained models and word vectors as folders, so that no later step needs a network.

They are downloaded, copied or made once. A model is ``config.json``, ``*.safetensors`` and files of
a tokenizer or preprocessor; word vectors are one file. Pickles (``pytorch_model.bin``) are neither
downloaded nor copied.
"""
