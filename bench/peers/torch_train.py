#!/usr/bin/python3
"""One training speed of PyTorch: a GPT-2 shaped decoder, f32, AdamW.  Called by train_bench.sh.

    torch_train.py LAYERS WIDTH HEADS VOCAB BATCH LENGTH STEPS

Prints: parameters (without positions), milliseconds of the median step, peak resident MiB.
Weights start small (0.02), as in GPT-2: with PyTorch's own start a tied head gives logits so large
that the gradient's denormals slow the step down several times.
"""
import math
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

L, D, H, V, B, T, STEPS = (int(a) for a in sys.argv[1:8])
torch.set_num_threads(2)
torch.manual_seed(1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(D), nn.LayerNorm(D)
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.up, self.down = nn.Linear(D, 4 * D), nn.Linear(4 * D, D)
        self.register_buffer("later", torch.tril(torch.ones(T, T)).view(1, 1, T, T) == 0)

    def forward(self, x):
        q, k, v = (z.view(B, T, H, D // H).transpose(1, 2)
                   for z in self.qkv(self.norm1(x)).split(D, 2))
        a = (q @ k.transpose(-2, -1)) / math.sqrt(D // H)
        a = F.softmax(a.masked_fill(self.later, float("-inf")), -1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(B, T, D))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.position = nn.Embedding(V, D), nn.Embedding(T, D)
        self.blocks = nn.ModuleList([Block() for _ in range(L)])
        self.norm = nn.LayerNorm(D)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, 0, 0.02)

    def forward(self, ids, targets):
        x = self.table(ids) + self.position.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.table.weight)
        return F.cross_entropy(logits.view(-1, V), targets.view(-1))


model = Decoder()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, foreach=False)
seconds = []
for step in range(STEPS + 2):
    ids, targets = torch.randint(0, V, (B, T)), torch.randint(0, V, (B, T))
    began = time.perf_counter()
    loss = model(ids, targets)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    seconds.append(time.perf_counter() - began)
seconds = sorted(seconds[2:])
count = sum(p.numel() for p in model.parameters()) - T * D
print(count, round(1e3 * seconds[len(seconds) // 2], 1),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
