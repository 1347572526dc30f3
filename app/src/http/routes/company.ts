import { Router } from "express";
import { z } from "zod";
import { getCompany, updateCompany } from "../../companies/companies";
import type { Container } from "../../container";
import { companies } from "../../db/tables";
import { sendCached } from "../cached";
import { name } from "../fields";
import { requireCompanyAdmin, tenantOf } from "../middleware/authenticate";
import { jsonBody } from "../middleware/body";
import { contentHeaders, expectedTag } from "../precondition";
import { sendJson } from "../respond";
import { validate } from "../validate";

export const companyChangesSchema = z.strictObject({ name });

/** `/api/company`: the company of whoever asks. */
export function companyRoutes(container: Container): Router {
  const { database } = container;
  const router = Router();

  router.get("/", async (request, response) => {
    await sendCached(container, request, response, { name: "company", tags: [companies.table] }, getCompany);
  });

  router.patch("/", requireCompanyAdmin, jsonBody(), async (request, response) => {
    const expected = expectedTag(request);
    const changes = validate(companyChangesSchema, request.body, "The request body");
    const company = await updateCompany(tenantOf(request, database), changes, expected);
    sendJson(request, response, 200, company, contentHeaders(company));
  });

  return router;
}
