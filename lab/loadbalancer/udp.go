package main

import (
	"context"
	"errors"
	"log"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// maxSessions bounds the memory that senders of forged addresses can take.
const maxSessions = 4096

// udpProxy forwards the datagrams of one socket. A client's address is tied to
// one host until neither side has sent anything for the idle time.
type udpProxy struct {
	socket  *net.UDPConn
	targets *targets
	names   *resolver
	idle    atomic.Int64 // a time.Duration

	mu       sync.Mutex
	sessions map[netip.AddrPort]*net.UDPConn
}

// serve returns when the socket is closed, with all sessions closed too.
func (p *udpProxy) serve(ctx context.Context) {
	buffer := make([]byte, 64<<10)
	for {
		n, client, err := p.socket.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, net.ErrClosed) {
			break
		}
		if err != nil {
			continue
		}
		host, err := p.session(ctx, client)
		if err != nil {
			log.Printf("%s: %v", p.targets.port, err)
			continue
		}
		_ = host.SetReadDeadline(time.Now().Add(time.Duration(p.idle.Load())))
		if _, err := host.Write(buffer[:n]); err != nil {
			p.drop(client, host)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, host := range p.sessions {
		_ = host.Close()
	}
}

func (p *udpProxy) session(ctx context.Context, client netip.AddrPort) (*net.UDPConn, error) {
	p.mu.Lock()
	host, ok := p.sessions[client]
	full := len(p.sessions) >= maxSessions
	p.mu.Unlock()
	if ok {
		return host, nil
	}
	if full {
		return nil, errors.New("too many clients at once, a datagram is dropped")
	}
	conn, name, err := p.targets.dial(ctx, p.names)
	if err != nil {
		return nil, err
	}
	host = conn.(*net.UDPConn)
	p.mu.Lock()
	p.sessions[client] = host
	p.mu.Unlock()
	go p.answer(client, host, name)
	return host, nil
}

// answer sends what the host answers back to the client.
func (p *udpProxy) answer(client netip.AddrPort, host *net.UDPConn, name string) {
	defer p.drop(client, host)
	buffer := make([]byte, 64<<10)
	for {
		n, err := host.Read(buffer)
		if err != nil {
			// A refused datagram shows here. An idle session is no failure of its host.
			if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, net.ErrClosed) {
				p.targets.report(name, err)
			}
			return
		}
		_ = host.SetReadDeadline(time.Now().Add(time.Duration(p.idle.Load())))
		if _, err := p.socket.WriteToUDPAddrPort(buffer[:n], client); err != nil {
			return
		}
	}
}

func (p *udpProxy) drop(client netip.AddrPort, host *net.UDPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sessions[client] == host {
		delete(p.sessions, client)
	}
	_ = host.Close()
}
