"""Programs that run on the board, sent there by the PC; they leave no file behind."""
