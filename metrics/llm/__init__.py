"""Can latents be named? Explainers, judges and scorers, by language models or by executing predicates."""
