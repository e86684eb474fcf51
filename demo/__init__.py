"""The whole product played through its public door, every figure checked against what was done."""
