//! Smallest TFLite files, written table by table, so that a search begins behind the first checks.

/// A piece of a FlatBuffer.
enum Node {
    Byte(u8),
    Word(i32),
    Bytes(Vec<u8>),
    Words(Vec<i32>),
    Nodes(Vec<Node>),
    /// Fields by their id.
    Table(Vec<(usize, Node)>),
}

/// A model of one image of 2x2 pixels and one channel, run through one operator. `constants` are its further inputs, each
/// with shape and values; `options` are the fields of the operator's options.
pub(super) fn one_operator(
    code: i32,
    constants: &[(&[i32], &[f32])],
    options: &[(usize, u8)],
) -> Vec<u8> {
    let image = tensor("image", &[1, 2, 2, 1], 0);
    let weights = constants
        .iter()
        .zip(1..)
        .map(|((shape, _), buffer)| tensor("weights", shape, buffer));
    let result = tensor("result", &[1, 2, 2, 1], 0);
    let tensors: Vec<_> = [image].into_iter().chain(weights).chain([result]).collect();
    let result_index = i32::try_from(constants.len()).unwrap_or(0) + 1;
    let operator = Node::Table(vec![
        (0, Node::Word(0)),
        (1, Node::Words((0..result_index).collect())),
        (2, Node::Words(vec![result_index])),
        (
            4,
            Node::Table(
                options
                    .iter()
                    .map(|(id, value)| (*id, Node::Byte(*value)))
                    .collect(),
            ),
        ),
    ]);
    let graph = Node::Table(vec![
        (0, Node::Nodes(tensors)),
        (1, Node::Words(vec![0])),
        (2, Node::Words(vec![result_index])),
        (3, Node::Nodes(vec![operator])),
    ]);
    let data = constants.iter().map(|(_, values)| {
        Node::Table(vec![(
            0,
            Node::Bytes(
                values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            ),
        )])
    });
    let buffers = [Node::Table(Vec::new())].into_iter().chain(data).collect();
    let model = Node::Table(vec![
        (0, Node::Word(3)),
        (
            1,
            Node::Nodes(vec![Node::Table(vec![(3, Node::Word(code))])]),
        ),
        (2, Node::Nodes(vec![graph])),
        (4, Node::Nodes(buffers)),
    ]);
    let mut file = b"\0\0\0\0TFL3".to_vec();
    let root = model.write(&mut file);
    point(&mut file, 0, root);
    file
}

fn tensor(name: &str, shape: &[i32], buffer: i32) -> Node {
    Node::Table(vec![
        (0, Node::Words(shape.to_vec())),
        (2, Node::Word(buffer)),
        (3, Node::Bytes(name.as_bytes().to_vec())),
    ])
}

impl Node {
    /// Appends the node and everything below it; returns where it begins.
    fn write(&self, file: &mut Vec<u8>) -> usize {
        let at = file.len();
        match self {
            Node::Byte(_) | Node::Word(_) => {}
            Node::Bytes(bytes) => {
                file.extend((bytes.len() as u32).to_le_bytes());
                file.extend(bytes);
            }
            Node::Words(words) => {
                file.extend((words.len() as u32).to_le_bytes());
                file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            }
            Node::Nodes(nodes) => {
                file.extend((nodes.len() as u32).to_le_bytes());
                file.extend(vec![0; nodes.len() * 4]);
                for (node, slot) in nodes.iter().zip((at + 4..).step_by(4)) {
                    let child = node.write(file);
                    point(file, slot, child);
                }
            }
            Node::Table(fields) => return write_table(fields, file),
        }
        at
    }
}

/// The list of field places, then the table itself; each field takes four bytes.
fn write_table(fields: &[(usize, Node)], file: &mut Vec<u8>) -> usize {
    let slots = fields.iter().map(|(id, _)| id + 1).max().unwrap_or(0);
    let list_bytes = 4 + 2 * slots;
    file.extend((list_bytes as u16).to_le_bytes());
    file.extend((4 + 4 * fields.len() as u16).to_le_bytes());
    for id in 0..slots {
        let place = fields.iter().position(|(field, _)| *field == id);
        file.extend(place.map_or(0, |place| 4 + 4 * place as u16).to_le_bytes());
    }
    let at = file.len();
    file.extend((list_bytes as u32).to_le_bytes());
    file.extend(fields.iter().flat_map(|(_, node)| match node {
        Node::Byte(byte) => [*byte, 0, 0, 0],
        Node::Word(word) => word.to_le_bytes(),
        _ => [0; 4],
    }));
    for ((_, node), slot) in fields.iter().zip((at + 4..).step_by(4)) {
        if !matches!(node, Node::Byte(_) | Node::Word(_)) {
            let child = node.write(file);
            point(file, slot, child);
        }
    }
    at
}

fn point(file: &mut [u8], slot: usize, target: usize) {
    if let Some(bytes) = file.get_mut(slot..slot + 4) {
        bytes.copy_from_slice(&((target - slot) as u32).to_le_bytes());
    }
}
