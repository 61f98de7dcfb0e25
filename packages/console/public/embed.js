/** One line in a site: `<script src=".../embed.js" data-campaign="sale" data-user="u1" data-accent="#0a0"></script>` puts the waiting page there. */
;(() => {
  const script = document.currentScript
  const { campaign, user, ...theme } = script.dataset
  const page = new URL(`/campaigns/${encodeURIComponent(campaign)}/wait`, script.src)
  if (user) page.searchParams.set("user", user)
  page.hash = new URLSearchParams(theme).toString()
  const frame = document.createElement("iframe")
  frame.src = page.href
  frame.title = campaign
  frame.style.cssText = "width:100%;min-height:24rem;border:0"
  script.after(frame)
})()
