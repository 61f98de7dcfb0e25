import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { parseAllDocuments, parse as parseYaml } from "yaml"
import { OperationsApi } from "../src/http/Api.ts"
import { endpointsOf } from "../src/http/Routes.ts"
import { readSettings, roles } from "../src/Settings.ts"
import { fileAt, root } from "./operations-kit.ts"

// biome-ignore lint/suspicious/noExplicitAny: what YAML holds is looked into as it comes
type Json = Readonly<Record<string, any>>

const paths = endpointsOf(OperationsApi).map(({ path }) => path)
const drainMs = (grace: string) => Duration.toMillis(Duration.fromInputUnsafe(grace as Duration.Input)) + 10_000
const rolesOf = (args: ReadonlyArray<string>) => {
  assert.strictEqual(args[0], "serve")
  assert.strictEqual(args[1], "--roles")
  return args[2]!
}

/** Whether the builder is given a file: the last pattern that matches it, or a folder above it, decides. */
const makeIsSent = (ignore: string) => {
  const patterns = ignore
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const text = line.replace(/^!/, "").replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
      const body = text.replaceAll("**/", "\0").replaceAll("*", "[^/]*").replaceAll("\0", "(?:.*/)?")
      return { isSent: line.startsWith("!"), regexp: new RegExp(`^${body}(?:/.*)?$`) }
    })
  return (path: string) => patterns.findLast(({ regexp }) => regexp.test(path))?.isSent ?? true
}

describe("the image", () => {
  const dockerfile = fileAt("Dockerfile")
  const last = (instruction: string) => dockerfile.match(new RegExp(`^${instruction} (.*)$`, "gm"))?.at(-1)
  const isSent = makeIsSent(fileAt(".dockerignore"))

  it("runs the Node that is tested, as nobody special, and says how it is", () => {
    const { dependencies } = JSON.parse(fileAt("package.json"))
    for (const [, version] of dockerfile.matchAll(/^FROM node:([\d.]+)-/gm)) assert.strictEqual(version, dependencies.node)
    assert.match(last("USER")!, /^USER [1-9]\d*:[1-9]\d*$/)
    for (const line of [last("ENTRYPOINT")!, dockerfile.match(/^ {2}CMD .*$/m)![0]]) {
      const [program, file] = JSON.parse(line.slice(line.indexOf("[")))
      assert.strictEqual(program, "node")
      assert.isTrue(existsSync(join(root, file)), file)
      assert.isTrue(isSent(file), file)
    }
    assert.match(dockerfile, /^HEALTHCHECK /m)
  })

  const dependenciesOf = (name: string): ReadonlyArray<string> =>
    Object.keys(JSON.parse(fileAt(`packages/${name}/package.json`)).dependencies ?? {})
  const needed = (name: string, found = new Set<string>()): ReadonlySet<string> => {
    if (found.has(name)) return found
    found.add(name)
    for (const other of dependenciesOf(name)) if (other.startsWith("@sluice/")) needed(other.slice(8), found)
    return found
  }
  const packages = needed("app")
  const sourcesOf = (name: string) => readdirSync(join(root, "packages", name, "src"), { recursive: true, encoding: "utf8" })

  it("installs all that is imported: nothing is found only because tests brought it", () => {
    const imports = /\bfrom "([^".][^"]*)"|\bimport\("([^".][^"]*)"\)/g
    const seen = new Set<string>()
    for (const name of packages) {
      const installed = new Set([...dependenciesOf(name), `@sluice/${name}`])
      for (const file of sourcesOf(name).filter((path) => path.endsWith(".ts"))) {
        const text = fileAt(`packages/${name}/src/${file}`)
        for (const [, fixed, loaded] of text.matchAll(imports)) {
          const imported = fixed ?? loaded!
          if (imported.startsWith("node:")) continue
          seen.add(imported)
          const of = imported.startsWith("@") ? imported.split("/").slice(0, 2).join("/") : imported.split("/")[0]!
          assert.isTrue(installed.has(of), `${name}/src/${file} imports ${of}`)
        }
      }
    }
    assert.isTrue(["effect", "jose", "ioredis", "mysql2"].every((name) => seen.has(name)))
  })

  it("is given what a server is made of and nothing else", () => {
    for (const name of packages) {
      assert.isTrue(isSent(`packages/${name}/package.json`), name)
      for (const file of sourcesOf(name)) {
        assert.isTrue(isSent(`packages/${name}/src/${file}`), file)
      }
      assert.isFalse(isSent(`packages/${name}/test/x.test.ts`))
      assert.isFalse(isSent(`packages/${name}/node_modules/x/index.js`))
    }
    for (const file of readdirSync(join(root, "packages/console/public"))) {
      assert.isTrue(isSent(`packages/console/public/${file}`), file)
    }
    for (const file of ["package.json", "package-lock.json", ".npmrc", "LICENSE"]) assert.isTrue(isSent(file), file)
    for (const file of [".git/config", ".sluice/admin-key", "bench/main.ts", ".env", "packages/testkit/src/live.ts"]) {
      assert.isFalse(isSent(file), file)
    }
  })
})

describe("compose", () => {
  const { services } = parseYaml(fileAt("docker-compose.yml"), { merge: true }) as { readonly services: Json }
  const system = Object.entries(services).filter(([, { profiles }]) => profiles?.includes("system"))

  it("leaves the servers alone where the profile is not asked for", () => {
    const others = Object.keys(services).filter((name) => !system.some(([of]) => of === name))
    assert.sameMembers(others, ["mariadb", "redis", "kafka", "mongodb"])
  })

  it.effect("runs every role, two gateways, each once what it stands on is healthy", () =>
    Effect.gen(function* () {
      const running: Array<string> = []
      for (const [name, service] of system) {
        const role = rolesOf(service.command.split(" "))
        running.push(role)
        for (const engine of ["mariadb", "redis", "kafka", "mongodb"]) {
          assert.strictEqual(service.depends_on[engine].condition, "service_healthy", name)
          assert.isDefined(services[engine].healthcheck, engine)
        }
        const filledIn = Object.entries(service.environment as Json).map(([key, value]) => [
          key,
          key === "SLUICE_ADMIN_KEY" ? "x".repeat(40) : String(value).replaceAll(/\$\{\w+:-(\w*)\}/g, "$1")
        ])
        const settings = yield* readSettings(Object.fromEntries(filledIn), { roles: role, host: "0.0.0.0" })
        assert.strictEqual(settings.engines.kind, "cluster")
        assert.isAbove(Number.parseInt(service.stop_grace_period, 10) * 1000, drainMs(service.environment.SLUICE_DRAIN_GRACE))
        assert.isTrue(existsSync(join(root, service.healthcheck.test[2])))
        assert.isTrue(service.read_only)
      }
      assert.deepStrictEqual(running.sort(), [...roles, "gateway"].sort())
    })
  )
})

describe("Kubernetes", () => {
  const folder = "deploy/kubernetes"
  const files: ReadonlyArray<string> = parseYaml(fileAt(`${folder}/kustomization.yaml`)).resources
  const documents = (file: string) =>
    parseAllDocuments(fileAt(`${folder}/${file}`)).map((document) => {
      assert.isEmpty(document.errors, file)
      return document.toJS() as Json
    })
  const all = files.flatMap(documents)
  const ofKind = (kind: string) => all.filter((object) => object.kind === kind)
  const secret = documents("secret.example.yaml")[0]!
  const config = ofKind("ConfigMap")[0]!

  it("every file but the example of the secret is applied", () => {
    const there = readdirSync(join(root, folder)).filter((file) => file !== "kustomization.yaml")
    assert.sameMembers(there, [...files, "secret.example.yaml"])
  })

  it.effect("one Deployment a role, with settings that Sluice takes", () =>
    Effect.gen(function* () {
      const deployed: Array<string> = []
      for (const { metadata, spec } of ofKind("Deployment")) {
        const pod = spec.template.spec
        const container = pod.containers[0]
        const role = rolesOf(container.args)
        deployed.push(role)
        assert.strictEqual(metadata.name, `sluice-${role}`)
        const env = { ...config.data, ...secret.stringData }
        const settings = yield* readSettings(env, { roles: role })
        assert.strictEqual(settings.port, container.ports[0].containerPort)
        assert.isFalse(pod.enableServiceLinks, "SLUICE_PORT of a Service is no setting")
        assert.isAbove(pod.terminationGracePeriodSeconds * 1000, drainMs(config.data.SLUICE_DRAIN_GRACE))
      }
      assert.sameMembers(deployed, [...roles])
    })
  )

  it("every pod is probed where it answers, bounded, and may write to nothing but its volumes", () => {
    for (const { metadata, spec } of ofKind("Deployment")) {
      const pod = spec.template.spec
      const container = pod.containers[0]
      for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
        assert.include(paths, container[probe].httpGet.path, metadata.name)
      }
      assert.strictEqual(container.readinessProbe.httpGet.path, "/health/ready")
      assert.strictEqual(container.livenessProbe.httpGet.path, "/health/live")
      assert.isTrue(pod.securityContext.runAsNonRoot)
      assert.isAbove(pod.securityContext.runAsUser, 0)
      assert.isTrue(container.securityContext.readOnlyRootFilesystem)
      assert.isFalse(container.securityContext.allowPrivilegeEscalation)
      assert.deepStrictEqual(container.securityContext.capabilities.drop, ["ALL"])
      assert.isDefined(container.resources.requests.memory)
      assert.isDefined(container.resources.limits.memory)
      assert.include(
        container.volumeMounts.map(({ mountPath }: Json) => mountPath),
        config.data.SLUICE_DATA_DIR
      )
    }
  })

  it("every selector finds the pods of its own role", () => {
    for (const { metadata, spec } of ofKind("Deployment")) {
      const labels = spec.template.metadata.labels
      assert.deepStrictEqual(spec.selector.matchLabels, labels)
      const budget = ofKind("PodDisruptionBudget").find((object) => object.metadata.name === metadata.name)
      assert.deepStrictEqual(budget?.spec.selector.matchLabels, labels)
      if (spec.replicas !== undefined) assert.isAtLeast(spec.replicas, 2)
    }
    const [service] = ofKind("Service")
    const gateway = ofKind("Deployment").find(({ metadata }) => metadata.name === "sluice-gateway")!
    assert.deepStrictEqual(service!.spec.selector, gateway.spec.template.metadata.labels)
  })

  it("the gateways are scaled by a metric that they serve", () => {
    const [scaler] = ofKind("HorizontalPodAutoscaler")
    assert.strictEqual(scaler!.spec.scaleTargetRef.name, "sluice-gateway")
    const { name } = scaler!.spec.metrics[0].pods.metric
    assert.include(fileAt("docs/reference/metrics.md"), `| \`${name}\` |`)
    assert.isAtLeast(scaler!.spec.minReplicas, 2)
  })
})
