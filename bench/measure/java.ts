/** Java programs beside which ours is measured. */
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"

export const springBoot = "3.5.7"

export const javaVersion = (): string =>
  /"([^"]+)"/.exec(execFileSync("sh", ["-c", "java -version 2>&1 || true"]).toString())?.[1] ?? "none"

/** Built by Maven where it has not been; undefined where there is no Java or no Maven. */
export const springJar = (folder: string, name: string): string | undefined => {
  const jar = `${folder}/target/${name}.jar`
  try {
    if (!existsSync(jar)) execFileSync("mvn", ["-q", "-B", "-f", `${folder}/pom.xml`, "package"], { stdio: "inherit" })
    execFileSync("java", ["-version"], { stdio: "ignore" })
    return jar
  } catch {
    console.error("The Spring program is left out: it needs Java 17 and Maven (`apt-get install openjdk-17-jdk-headless maven`).")
    return undefined
  }
}
