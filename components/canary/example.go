package canary

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

const (
	// nginxUser is the user and group nginx in the official image.
	nginxUser = 101

	nginxConfigKey  = "nginx.conf"
	nginxConfigPath = "/etc/nginx/nginx.conf"
)

// nginxConfig is the whole configuration of the example app: any request, on any
// path, is answered with the pod's name and its subset.
//
// Everything that nginx writes goes to /tmp, the only writable folder. One worker
// is plenty; nginx's own choice would be one for each of the node's CPUs.
// keepalive_timeout is longer than the hour after which Envoy closes an idle
// connection, so no request meets a connection that nginx is closing.
func nginxConfig(subsetName string, port int) string {
	return fmt.Sprintf(`worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;

events {
  worker_connections 1024;
}

http {
  client_body_temp_path /tmp/client_body;
  proxy_temp_path /tmp/proxy;
  fastcgi_temp_path /tmp/fastcgi;
  uwsgi_temp_path /tmp/uwsgi;
  scgi_temp_path /tmp/scgi;

  access_log off;
  server_tokens off;
  client_max_body_size 0;
  keepalive_timeout 65m;

  server {
    listen %d;

    location / {
      default_type application/json;
      return 200 '{"hostname":"$hostname","subset":"%s"}\n';
    }
  }
}
`, port, subsetName)
}

// checksum of a text, for an annotation that makes pods follow it.
func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
