"""What somebody does who means ill, played in full; `make test` plays a part of each."""
