"""The kinds of value and of interaction in a sentence each."""

KINDS = {
    "stratified": "**Stratified contribution** (the paper's): what is lost on average when this layer goes, over "
    "random sets of the sizes that were sampled. It is not the Shapley value, which weighs all sizes alike.",
    "shapley": "**Shapley value**: what is lost on average when this layer goes, over sets of every size, all sizes "
    "alike; the layers' values sum to what the whole model is worth more than none of its layers.",
    "banzhaf": "**Banzhaf value**: what is lost on average when this layer goes, over all sets alike, most of which "
    "keep about half of the layers.",
    "local": "**Local value**: what is lost on average when this layer goes while each other one is kept with "
    "probability 0.9, as when few layers are pruned.",
}
INDICES = {
    "local": "**Local interaction**: each other layer is kept with probability 0.9, as when few layers are pruned.",
    "shapley": "**Shapley interaction index**: over sets of the other layers of every size, all sizes alike.",
    "faithful": "**Faithful interaction** (Faith-Shap): the pairs' terms of the game of single layers and pairs that "
    "is nearest to this one.",
    "banzhaf": "**Banzhaf interaction**: over all sets of the other layers alike, most of which keep about half of "
    "them.",
}
