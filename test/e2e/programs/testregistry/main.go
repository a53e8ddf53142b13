// Command testregistry is a container registry that images can be pulled from, by digest. It runs in the cluster on the
// nodes' own network: the kubelet pulls from localhost without TLS. The first part of an image's name says what is wrong.
package main

import (
	"flag"
	"log"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "address to serve on")
	folder := flag.String("folder", "/registry", "folder with manifests and blobs, each in a file sha256-HEX; those of an index end in .index")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*listen, misbehave(serve(*folder))))
}

// serve answers the pulling half of the distribution API: /v2/, /v2/NAME/manifests/DIGEST, /v2/NAME/blobs/DIGEST.
func serve(folder string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, digest := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
		algorithm, hex, isDigest := strings.Cut(digest, ":")
		if r.URL.Path == "/v2/" {
			return
		}
		if !isDigest { // a tag
			http.NotFound(w, r)
			return
		}
		file, media := filepath.Join(folder, algorithm+"-"+hex), "application/octet-stream"
		if kind == "manifests" {
			media = "application/vnd.oci.image.manifest.v1+json"
			if _, err := os.Stat(file + ".index"); err == nil {
				file, media = file+".index", "application/vnd.oci.image.index.v1+json"
			}
		}
		w.Header().Set("Content-Type", media)
		w.Header().Set("Docker-Content-Digest", digest)
		http.ServeFile(w, r, file)
	})
}

// misbehave answers for images of
//
//	limited/    429
//	failing/    500
//	private/    401, unless it's the user e2e with the password right
//	breaking/   half of a blob
//	slow/       a blob after 20 seconds
func misbehave(well http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/")
		blob := strings.Contains(r.URL.Path, "/blobs/")
		switch {
		case kind == "limited":
			http.Error(w, "too many pulls", http.StatusTooManyRequests)
			return
		case kind == "failing":
			http.Error(w, "no disk", http.StatusInternalServerError)
			return
		case kind == "private":
			if user, password, _ := r.BasicAuth(); user != "e2e" || password != "right" {
				w.Header().Set("WWW-Authenticate", `Basic realm="e2e"`)
				http.Error(w, "who are you", http.StatusUnauthorized)
				return
			}
		case kind == "breaking" && blob:
			w = &half{ResponseWriter: w}
		case kind == "slow" && blob:
			time.Sleep(20 * time.Second)
		}
		well.ServeHTTP(w, r)
	})
}

// half is an answer of which half is sent before the connection ends.
type half struct{ http.ResponseWriter }

func (h *half) Write(b []byte) (int, error) {
	_, _ = h.ResponseWriter.Write(b[:len(b)/2])
	_ = http.NewResponseController(h.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}
