// Command testregistry is a container registry that one image can be pulled from, by digest. It runs in the cluster on
// the node's own network: the kubelet pulls from localhost without TLS.
package main

import (
	"flag"
	"log"
	"net/http"
	"path"
	"path/filepath"
	"strings"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:5000", "address to serve on")
	folder := flag.String("folder", "/registry", "folder with manifest and blobs, each in a file sha256-HEX")
	flag.Parse()
	log.Fatal(http.ListenAndServe(*listen, serve(*folder)))
}

// serve answers the pulling half of the distribution API: /v2/, /v2/NAME/manifests/DIGEST, /v2/NAME/blobs/DIGEST.
func serve(folder string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind, digest := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
		algorithm, hex, isDigest := strings.Cut(digest, ":")
		switch {
		case r.URL.Path == "/v2/":
			return
		case !isDigest:
			http.NotFound(w, r) // a tag
			return
		case kind == "manifests":
			w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
		default:
			w.Header().Set("Content-Type", "application/octet-stream")
		}
		w.Header().Set("Docker-Content-Digest", digest)
		http.ServeFile(w, r, filepath.Join(folder, algorithm+"-"+hex))
	})
}
