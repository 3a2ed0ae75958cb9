"""One round of messages on a graph of several kinds of nodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torch.nn.functional import pad

from roadcraft.plugins.common.layers import mlp
from roadcraft.plugins.hetero_gnn.edges import Edges

with warnings.catch_warnings():  # torch-geometric compiles with torch.jit while it is imported, which torch deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from torch_geometric.nn import TransformerConv

Relation = tuple[str, str]  # sender, receiver


def name_of(relation: Relation) -> str:
    """A name that a module may bear."""
    return "_to_".join(relation)


class GraphLayer(nn.Module):
    """Attention over the edges of each relation, summed over relations, then a feed-forward; pre-norm, residual. Nodes
    that receive nothing stay as they are but for the feed-forward; kinds that are no receivers stay."""

    def __init__(
        self, relations: Sequence[Relation], dim: int, edge_dim: int, heads: int, feed_forward: int, dropout: float
    ) -> None:
        super().__init__()
        self.relations, self.receivers = tuple(relations), sorted({r for _, r in relations})
        self.conv = nn.ModuleDict(
            {
                name_of(r): TransformerConv(
                    (dim, dim), dim // heads, heads, dropout=dropout, edge_dim=edge_dim, root_weight=False
                )
                for r in relations
            }
        )
        kinds = sorted({k for relation in relations for k in relation})
        self.norm = nn.ModuleDict({k: nn.LayerNorm(dim) for k in kinds})
        self.norm_out = nn.ModuleDict({k: nn.LayerNorm(dim) for k in self.receivers})
        self.out = nn.ModuleDict({k: mlp(dim, feed_forward * dim, dim) for k in self.receivers})
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Mapping[str, Tensor], edges: Mapping[Relation, Edges]) -> dict[str, Tensor]:
        """x: nodes (B, N, D) by kind; edges: by relation -> nodes."""
        nodes = {k: pad(norm(x[k]).flatten(0, 1), (0, 0, 0, 1)) for k, norm in self.norm.items()}
        heard: dict[str, Tensor] = {}
        for r in self.relations:
            sender, receiver = r
            message = self.conv[name_of(r)]((nodes[sender], nodes[receiver]), edges[r].index, edges[r].attr)
            heard[receiver] = heard[receiver] + message if receiver in heard else message
        out = dict(x)
        for k in self.receivers:
            y = x[k] + self.dropout(heard[k][:-1].view_as(x[k]))
            out[k] = y + self.dropout(self.out[k](self.norm_out[k](y)))
        return out
