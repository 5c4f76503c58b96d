"""What an operator's monitoring is told, in Prometheus' format. Nothing of it is loaded or counted unless asked for."""
