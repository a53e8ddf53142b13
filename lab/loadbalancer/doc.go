// Command loadbalancer is the proxy that k3d puts before a cluster's nodes.
//
// It keeps k3d's contract: the file /etc/confd/values.yaml says which ports go to which nodes, k3d writes it
// before the container starts and again when the nodes change, and waits each time for a log line that says
// "start worker processes". Each port of the container is forwarded to the same port of one of its nodes.
package main
