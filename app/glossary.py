"""What a term means, in the words that pages show in a popover; docs/glossary.md is written from them (make docs)."""

TERMS = {
    "layer": "A block of the network, counted from 0 next to the embedding. A run may play with halves of layers or "
    "with groups instead: they are its players, and where a page says layer, it means one of them.",
    "coalition": "The set of layers that stay while the others are removed. A removed layer is skipped: what goes into "
    "it comes out of it unchanged.",
    "dense": "The whole model, with every layer in its place.",
    "perplexity": "The exponential of the mean loss on a text: among how many equally likely tokens the model chooses. "
    "Lower is better. Above 10,000 the model is ruined, and by how much says nothing.",
    "worth": "What a coalition is worth. The score is PPL_dense / PPL: 1 where nothing was lost, 0 where the model is "
    "ruined. The log score is its logarithm, in nats a token; KL compares predictions with the whole model's.",
    "contribution": "What a layer adds to the worth on average over coalitions. Which coalitions, and how they are "
    "weighed, is what stratified, Shapley, Banzhaf and local values differ in.",
    "strata": "Coalitions sorted by how many layers they keep. The stratified contribution is the mean over the strata "
    "that were sampled.",
    "interaction": "By how much two layers are worth more together than apart (synergy), or less, because each makes "
    "up for the other (redundancy).",
    "surrogate": "A model of the model, learnt from the coalitions that were measured: it predicts the worth of those "
    "that were not.",
    "R²": "The share of the differences between unseen coalitions that the surrogate explains: 1 is perfect, 0 is no "
    "better than the mean.",
    "rank correlation": "How alike two rankings are (Spearman): 1 is the same order, 0 none in common, −1 the reverse.",
    "90 % interval": "Nine of ten such intervals hold the true figure. Over coalitions: had others been measured. Over "
    "texts: had the text been another of its kind.",
    "measured": "Read off the model itself. Predicted and estimated figures come from a surrogate; an extrapolated one "
    "is about coalitions unlike all that were measured.",
    "protocol": "How a perplexity was measured: text, windows, their distance, what begins them. Two figures compare "
    "only where their protocols are equal; the hash is that of the tokens.",
}


def glossary() -> str:
    """All terms as Markdown, in the order of the alphabet."""
    return "\n\n".join(f"**{term}**: {TERMS[term]}" for term in sorted(TERMS, key=str.lower))
