// fauxqs on 127.0.0.1 only: its own command listens on every address. Argument: the port.
import { buildApp } from "fauxqs";

const app = buildApp({ logger: false, host: "127.0.0.1" });
// It refuses the one attribute it does not know, which would end the creation of our queues.
app.addHook("preHandler", async (request) => {
  if (request.headers["x-amz-target"] === "AmazonSQS.SetQueueAttributes") {
    delete request.body.Attributes.RedriveAllowPolicy;
  }
});
await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
