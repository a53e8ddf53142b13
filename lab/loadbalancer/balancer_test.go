package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each test has a port to itself, on which the load balancer listens at 127.0.0.1
// and its hosts at other addresses of the loopback network.

func freePort(t *testing.T, protocol string) port {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return port{uint16(l.Addr().(*net.TCPAddr).Port), protocol}
}

func startBalancer(t *testing.T, c config) *balancer {
	t.Helper()
	b := newBalancer(t.Context(), newResolver())
	b.address = "127.0.0.1"
	require.NoError(t, b.apply(c))
	t.Cleanup(func() { b.stop(0) })
	return b
}

// host answers each line with its name and the line, and the end of the input with "bye".
func host(t *testing.T, address string, p port) {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", address, p.number))
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					_, _ = fmt.Fprintf(conn, "%s %s\n", address, lines.Text())
				}
				_, _ = io.WriteString(conn, "bye")
			}()
		}
	}()
}

func dial(t *testing.T, p port) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.number))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
	return conn.(*net.TCPConn)
}

// ask sends one line over a new connection, ends its direction and reads to the end.
func ask(t *testing.T, p port) string {
	t.Helper()
	conn := dial(t, p)
	_, err := io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	return string(answer)
}

func hosts(p port, addresses ...string) config {
	return config{idle: time.Minute, hosts: map[port][]string{p: addresses}}
}

func TestTCPTakesTurnsAndPassesOnTheEndOfOneDirection(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	host(t, "127.0.0.2", p)
	host(t, "127.0.0.3", p)
	startBalancer(t, hosts(p, "127.0.0.2", "127.0.0.3"))
	seen := map[string]int{}
	for range 4 {
		seen[ask(t, p)]++
	}
	require.Equal(t, map[string]int{"127.0.0.2 hello\nbye": 2, "127.0.0.3 hello\nbye": 2}, seen)
}

func TestTCPTriesTheNextHost(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	host(t, "127.0.0.3", p)
	startBalancer(t, hosts(p, "127.0.0.2", "127.0.0.3"))
	for range 4 {
		require.Equal(t, "127.0.0.3 hello\nbye", ask(t, p))
	}
}

func TestTCPWithoutAnyHostBreaksTheConnection(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	startBalancer(t, hosts(p, "127.0.0.2"))
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.number))
	if err == nil { // the kernel accepts before the load balancer knows that it cannot serve
		defer conn.Close()
		_, err = io.ReadAll(conn)
	}
	require.Error(t, err)
}

func TestTCPPassesOnABrokenConnection(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", p.number))
	require.NoError(t, err)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			_, _ = io.WriteString(conn, "half an ans")
			time.Sleep(100 * time.Millisecond)
			abort(conn.(*net.TCPConn))
		}
	}()
	startBalancer(t, hosts(p, "127.0.0.2"))
	_, err = io.ReadAll(dial(t, p))
	require.Error(t, err, "a cut answer must not look complete")
}

func TestTCPBreaksASilentConnection(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	host(t, "127.0.0.2", p)
	c := hosts(p, "127.0.0.2")
	c.idle = 300 * time.Millisecond
	startBalancer(t, c)
	conn := dial(t, p)
	lines := bufio.NewReader(conn)
	for range 4 { // longer in all than the idle time
		time.Sleep(150 * time.Millisecond)
		_, err := io.WriteString(conn, "hello\n")
		require.NoError(t, err)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
	began := time.Now()
	_, err := lines.ReadString('\n')
	require.Error(t, err)
	require.Less(t, time.Since(began), 5*time.Second)
}

func TestApplyChangesHostsWithoutClosingThePort(t *testing.T) {
	t.Parallel()
	p, other := freePort(t, "tcp"), freePort(t, "tcp")
	host(t, "127.0.0.2", p)
	host(t, "127.0.0.3", p)
	b := startBalancer(t, hosts(p, "127.0.0.2"))
	conn := dial(t, p)
	_, err := io.WriteString(conn, "one\n")
	require.NoError(t, err)
	lines := bufio.NewReader(conn)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "127.0.0.2 one\n", line)

	require.NoError(t, b.apply(hosts(p, "127.0.0.3")))
	require.Equal(t, "127.0.0.3 hello\nbye", ask(t, p))

	require.NoError(t, b.apply(hosts(other, "127.0.0.3")))
	_, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", p.number))
	require.Error(t, err, "the port is closed")
	_, err = io.WriteString(conn, "two\n")
	require.NoError(t, err)
	line, err = lines.ReadString('\n')
	require.NoError(t, err, "a connection outlives its listener")
	require.Equal(t, "127.0.0.2 two\n", line)
}

func TestApplyReportsAPortInUse(t *testing.T) {
	t.Parallel()
	taken, free := freePort(t, "tcp"), freePort(t, "tcp")
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", taken.number))
	require.NoError(t, err)
	defer l.Close()
	host(t, "127.0.0.2", free)
	b := newBalancer(t.Context(), newResolver())
	b.address = "127.0.0.1"
	defer b.stop(0)
	require.ErrorContains(t, b.apply(config{idle: time.Minute, hosts: map[port][]string{taken: {"127.0.0.2"}, free: {"127.0.0.2"}}}), taken.String())
	require.Equal(t, "127.0.0.2 hello\nbye", ask(t, free))
}

func TestStopBreaksWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	p := freePort(t, "tcp")
	host(t, "127.0.0.2", p)
	b := startBalancer(t, hosts(p, "127.0.0.2"))
	conn := dial(t, p)
	_, err := io.WriteString(conn, "hello\n")
	require.NoError(t, err)
	_, err = bufio.NewReader(conn).ReadString('\n')
	require.NoError(t, err)
	began := time.Now()
	b.stop(50 * time.Millisecond)
	require.Less(t, time.Since(began), 5*time.Second)
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err)
}

func TestUDP(t *testing.T) {
	t.Parallel()
	p := freePort(t, "udp")
	for _, address := range []string{"127.0.0.2", "127.0.0.3"} {
		socket, err := net.ListenPacket("udp", fmt.Sprintf("%s:%d", address, p.number))
		require.NoError(t, err)
		defer socket.Close()
		go func() {
			buffer := make([]byte, 100)
			for {
				n, from, err := socket.ReadFrom(buffer)
				if err != nil {
					return
				}
				_, _ = socket.WriteTo(append([]byte(address+" "), buffer[:n]...), from)
			}
		}()
	}
	startBalancer(t, hosts(p, "127.0.0.2", "127.0.0.3"))
	seen := map[string]int{}
	for range 2 {
		conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", p.number))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		for range 3 { // one client stays with one host
			_, err = io.WriteString(conn, "x")
			require.NoError(t, err)
			buffer := make([]byte, 100)
			n, err := conn.Read(buffer)
			require.NoError(t, err)
			seen[string(buffer[:n])]++
		}
	}
	require.Equal(t, map[string]int{"127.0.0.2 x": 3, "127.0.0.3 x": 3}, seen)
}

func TestWatchFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "values.yaml")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	texts := make(chan string, 10)
	var reads atomic.Int32
	go watchFile(ctx, file, 5*time.Millisecond, func(text []byte) { reads.Add(1); texts <- string(text) })
	write := func(text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		select {
		case got := <-texts:
			require.Equal(t, text, got)
		case <-time.After(10 * time.Second):
			require.Fail(t, "the write was not noticed")
		}
	}
	write("one")
	write("two")
	time.Sleep(20 * time.Millisecond) // file times may be as coarse as the clock's tick
	write("two")
	require.EqualValues(t, 3, reads.Load())
}
