"""RDF: from the bytes of a page, whatever they claim to be, to a graph that can be asked."""
