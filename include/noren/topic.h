/* MQTT topics and what travels on them (design section 11); asyncapi.yaml in schema/ is the long form.
 *
 * Root: noren/1/{tenant}/{store}/{gateway}. A broker maps a client certificate to exactly one root.
 */
#ifndef NOREN_TOPIC_H
#define NOREN_TOPIC_H

#define NOREN_TOPIC_ROOT    "noren/1/%s/%s/%s" /* tenant, store, gateway */
#define NOREN_TOPIC_EVT     "evt/%s"           /* class; up, QoS 1 */
#define NOREN_TOPIC_FIXTURE "state/fixture/%s" /* up, QoS 1, retained */
#define NOREN_TOPIC_STORE   "state/store"      /* up, QoS 1, retained */
#define NOREN_TOPIC_GATEWAY "state/gateway"    /* up, QoS 1, retained; also the will */
#define NOREN_TOPIC_BUNDLES "state/desired"    /* up, QoS 1, retained: which bundles are in force */
#define NOREN_TOPIC_CERT    "state/certificate" /* up, QoS 1, retained: one is asked for */
#define NOREN_TOPIC_CMD     "cmd/%s"            /* down, QoS 1, never retained */
#define NOREN_TOPIC_RSP     "rsp"               /* up, QoS 1 */
#define NOREN_TOPIC_DESIRED "desired/%s"        /* down, QoS 1, retained, JWS */
#define NOREN_TOPIC_ACK     "ack"               /* down, QoS 1, retained, JWS */

/* On the broker of the store itself, whole. A retained message is refused on all of them. */
#define NOREN_LOCAL_SALE         "local/pos/sale"    /* a till; QoS 1 */
#define NOREN_LOCAL_SALE_RESULT  "local/pos/result"  /* what became of it */
#define NOREN_LOCAL_STOCK        "local/stock/query" /* request, answered on its response topic */
#define NOREN_LOCAL_SIGHTINGS    "local/sighting/+"
#define NOREN_LOCAL_SIGHTINGS_OF "local/sighting/%s" /* receiver; QoS 0 */
#define NOREN_LOCAL_CELLS        "local/cells/+"
#define NOREN_LOCAL_CELLS_OF     "local/cells/%s" /* receiver; QoS 0 */

#define NOREN_CONTENT_EVENT "application/cloudevents+json"
#define NOREN_CONTENT_BATCH "application/cloudevents-batch+json"
#define NOREN_CONTENT_JWS   "application/jose"

#endif
