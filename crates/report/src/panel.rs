//! What a panel of a figure consists of.

use vitrion_analysis::table::Table;

use crate::chart::Picture;
use crate::source::Rows;

/// One panel: what is seen, what it means, its numbers. Texts have the markup of `chart::markup`.
pub struct Panel {
    /// "4c": its name in the paper.
    pub id: &'static str,
    /// What it shows, in a few words.
    pub title: String,
    /// How to read it.
    pub caption: String,
    /// Definition and source.
    pub definition: String,
    /// The drawing, or why there is none.
    pub drawing: Result<Picture, String>,
    /// What can be read off.
    pub numbers: Vec<Number>,
    /// The data that are drawn.
    pub data: Vec<Shown>,
    /// Twice as high or wide as its neighbours.
    pub shape: Shape,
}

/// Room that a panel takes where there is room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// One cell.
    #[default]
    Plain,
    /// Two rows.
    Tall,
}

/// A line of a panel's table of numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    /// What.
    pub name: String,
    /// With error and unit.
    pub value: String,
    /// The paper's, where conditions match.
    pub paper: Option<crate::paper::Value>,
}

/// Part of a table of the results.
pub struct Shown {
    table: Table,
    rows: Vec<usize>,
}

impl From<&Rows<'_>> for Shown {
    fn from(rows: &Rows) -> Self {
        Self { table: rows.table().clone(), rows: rows.indices().to_vec() }
    }
}

impl From<Table> for Shown {
    fn from(table: Table) -> Self {
        Self { rows: (0..table.rows()).collect(), table }
    }
}

impl Shown {
    /// The table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Which of its rows.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }
}

/// What a panel draws, before its drawing is known to exist.
pub struct Content {
    /// The drawing.
    pub picture: Picture,
    /// Added to the caption.
    pub remark: String,
    /// Its numbers.
    pub numbers: Vec<Number>,
    /// Its data.
    pub data: Vec<Shown>,
}

impl Content {
    /// Without numbers or data yet.
    pub fn new(picture: Picture) -> Self {
        Self { picture, remark: String::new(), numbers: Vec::new(), data: Vec::new() }
    }

    /// With rows of data.
    pub fn with_data(mut self, rows: &Rows) -> Self {
        self.data.push(rows.into());
        self
    }

    /// With a number.
    pub fn with_number(mut self, name: &str, value: String, paper: Option<crate::paper::Value>) -> Self {
        self.numbers.push(Number { name: name.to_string(), value, paper });
        self
    }

    /// With another sentence in the caption.
    pub fn with_remark(mut self, remark: &str) -> Self {
        if !self.remark.is_empty() {
            self.remark.push(' ');
        }
        self.remark.push_str(remark);
        self
    }
}

impl Panel {
    /// From its content, or the reason why there is none.
    pub fn new(
        id: &'static str,
        title: &str,
        definition: &str,
        caption: &str,
        content: Result<Content, String>,
    ) -> Self {
        let mut panel = Self {
            id,
            title: title.to_string(),
            caption: caption.to_string(),
            definition: definition.to_string(),
            drawing: Err(String::new()),
            numbers: Vec::new(),
            data: Vec::new(),
            shape: Shape::Plain,
        };
        match content {
            Ok(content) => {
                if !content.remark.is_empty() {
                    panel.caption = format!("{caption} {}", content.remark);
                }
                panel.drawing = Ok(content.picture);
                panel.numbers = content.numbers;
                panel.data = content.data;
            }
            Err(reason) => panel.drawing = Err(reason),
        }
        panel
    }

    /// With another shape.
    pub fn shaped(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }
}
