/** One paragraph for who has to choose. */
export const advice = `**Stay with the index** as long as its throughput is enough and the read is one query: it costs no second copy, no lag and nothing to rebuild,
and the step from no index to an index is by far the largest here. **Denormalise into a table of the same database** when reads are the
load: a document by its primary key, and all readers of one moment answered by one query, is where the throughput comes from, and it needs no
further server; the price is the second copy, the lag and the share of the writer's throughput shown above. **Take MongoDB** when the view is
to grow past one server (it shards by order id as it stands), when disk is dear (it compresses), or when it runs already; for orders by id it
is level with the document table, and a customer's page costs the server more through its driver. What it is not is the reason why reads get
fast: asked once a request, it carries a fraction of what it carries when asked once for all.`
