"""PyTorch's own operator database (op_db), run on metal and compared with the CPU."""
