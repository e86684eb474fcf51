-- MJML sources beside the HTML made from them. A content's `language` may name a category: fr/photo-shops.

ALTER TABLE template_content ADD COLUMN mjml text;
