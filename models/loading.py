from pathlib import Path
from .sae_dictionary import SAEDictionary, read_sae_folder
def load_dictionary(path, kind=None, *, name=None):
    return SAEDictionary(read_sae_folder(Path(path)), name)
