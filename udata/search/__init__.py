"""Search: what is indexed of a portal, and the engines that find it."""
