"""Learning: online, by reward, from others, and which way to learn."""
