import express, { type Express } from "express";

/** A plain Express app as it may exist anywhere: it knows nothing of processes, limits or metrics. */
export function createShop(): Express {
  const app = express();
  const basket = new Map<string, number>();

  app.get("/", (_request, response) => {
    response.type("html").send("<h1>Shop</h1>");
  });

  app.get("/products", (_request, response) => {
    response.json(Array.from({ length: 50 }, (_, index) => ({ id: index, name: `Product ${index}`, priceCents: 100 + index })));
  });

  app.post("/basket/:product", express.json(), (request, response) => {
    const count = (basket.get(request.params.product) ?? 0) + 1;
    basket.set(request.params.product, count);
    response.status(201).json({ product: request.params.product, count });
  });

  app.get("/report", async (_request, response) => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    response.json({ pid: process.pid });
  });

  app.get("/broken", () => {
    throw new Error("the shop's own mistake");
  });

  return app;
}
