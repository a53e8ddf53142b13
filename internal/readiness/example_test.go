package readiness

import "canary/internal/release"

var exampleApp = release.App{Namespace: "app-example", Name: "app-example", Host: "app-example.app-example.localhost"}
