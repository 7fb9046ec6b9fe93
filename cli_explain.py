"""The command that puts latents into words and says how far the words are true."""
