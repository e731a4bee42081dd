"""The walk over coalitions: each shared prefix of layers once, several hidden states through a block at a time."""
