package main

import "net"

// listenMasked makes a socket; who may use it follows from its folder.
func listenMasked(path string) (net.Listener, error) { return net.Listen("unix", path) }
