/** The console: the page for those who run Sluice. */
import { render } from "preact"
import { App } from "./App.tsx"
import "./styles/base.css"
import "./styles/frame.css"
import "./styles/controls.css"
import "./styles/cards.css"
import "./styles/charts.css"
import "./styles/tables.css"
import "./styles/views.css"
import "./styles/dialogs.css"
import "./styles/small.css"
import { followCampaigns } from "./lib/campaigns.ts"
import { followOverview } from "./lib/overview.ts"

// A file that misses the place for it would be opened by the browser, and the page with its key be gone.
for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault())

followCampaigns()
followOverview()
render(<App />, document.getElementById("app")!)
