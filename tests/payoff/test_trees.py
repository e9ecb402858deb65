import torch

from mixgan_lightning.payoff import trees


def test_a_tree_is_changed_tensor_by_tensor():
    tree = {"a": torch.ones(2), "b": (None, "label", 3)}
    assert trees.each(lambda leaf: leaf + 1, tree)["a"].tolist() == [2, 2]
    assert trees.each(lambda leaf: leaf + 1, tree)["b"] == (None, "label", 3)


def test_a_part_is_ones_own_or_the_only_one():
    tree = (torch.arange(6).view(3, 2), torch.arange(2)[None], "label")
    own, only, label = trees.part(tree, 2)
    assert own.tolist() == [4, 5]
    assert only.tolist() == [0, 1]
    assert label == "label"


def test_trees_are_stacked_and_chained():
    one, two = (torch.zeros(2), None), (torch.ones(2), None)
    assert trees.stacked([one, two])[0].tolist() == [[0, 0], [1, 1]]
    assert trees.chained([one, two])[0].tolist() == [0, 0, 1, 1]
    assert trees.chained([one]) is one


def test_a_tree_is_cut_after_some_rows():
    tree = torch.arange(6).view(2, 3)
    for outputs in (tree, {"validity": tree}):
        head, tail = trees.cut(outputs, 1)
        head, tail = (part if outputs is tree else part["validity"] for part in (head, tail))
        assert head.tolist() == [[0], [3]]
        assert tail.tolist() == [[1, 2], [4, 5]]
