package converge

import "canary/internal/release"

var exampleApp = release.App{Namespace: "app-example", Name: "app-example", Hosts: []string{"app-example.app-example.localhost"}}
